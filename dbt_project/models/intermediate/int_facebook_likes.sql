{{ config(enabled=shows_fivetran_compat()) }}

with posts as (
    {% if reads_fivetran() %}
        select
            business_id,
            page_id as account_id,
            post_id,
            cast(null as uuid) as run_id,
            synced_at at time zone 'UTC' as observed_at,
            like_reactions
        from {{ ref('int_fivetran__facebook_posts') }}
        where is_listed and business_id is not null
    {% else %}
        select
            business_id,
            account_id,
            post_id,
            run_id,
            observed_at,
            -- Facebook leaves out the kinds of reaction that nobody chose.
            case
                when jsonb_typeof(reactions_by_type) = 'object'
                    then coalesce({{ json_number('$.like', column='reactions_by_type') }}, 0)
            end as like_reactions
        from {{ ref('stg_facebook__posts') }}
    {% endif %}
),

final as (
    select * from posts
    where like_reactions is not null
)

select * from final
