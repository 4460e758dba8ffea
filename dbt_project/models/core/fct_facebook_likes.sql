{{ config(
    enabled=shows_fivetran_compat(),
    unique_key='post_key',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['posts']) }}",
    post_hook="{{ note_changes({'post': 'post_key'}) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}

with arrived as (
    select
        {{ surrogate_key(['business_id', "'facebook'", 'account_id', 'post_id']) }} as post_key,
        business_id,
        like_reactions,
        observed_at,
        row_number() over (partition by business_id, account_id, post_id order by observed_at desc) as version_back
    from {{ ref('int_facebook_likes') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

newest as (
    select
        post_key,
        business_id,
        like_reactions,
        observed_at
    from arrived
    where version_back = 1
),

final as (
    select newest.*
    from newest
    {% if continues() %}
        -- Runs may arrive in any order: an older reading changes nothing.
        left join {{ this }} as newer
            on newest.post_key = newer.post_key and newest.observed_at < newer.observed_at
        where newer.post_key is null
    {% endif %}
)

select * from final
