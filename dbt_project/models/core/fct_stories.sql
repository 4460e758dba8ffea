{{ config(
    unique_key='story_key',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['stories']) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}
{%- set key = 'business_id, account_id, post_id' %}
{%- set metrics = [
    'views', 'reach', 'replies', 'shares', 'total_interactions', 'follows', 'profile_visits', 'link_clicks',
    'navigation', 'taps_forward', 'taps_back', 'exits', 'swipes_forward',
] %}
{%- set tells = 'coalesce(' ~ metrics | join(', ') ~ ') is not null' %}

with
{% if continues() %}
    touched as (
        select distinct {{ key }}
        from {{ ref('stg_instagram__stories') }}
        where run_id = any({{ claimed_runs() }})
    ),
{% endif %}

versions as (
    select * from {{ ref('stg_instagram__stories') }}
    {% if continues() %}
        where
            business_id = any(array(select distinct business_id from touched))
            and account_id = any(array(select distinct account_id from touched))
            and post_id = any(array(select post_id from touched))
            and ({{ key }}) in (select {{ key }} from touched)
    {% endif %}
),

-- Its description is the newest; its numbers are the last that were told, all of one look.
described as (
    select distinct on ({{ key }})
        {{ key }},
        published_at,
        expires_at,
        media_type,
        caption,
        permalink,
        observed_at,
        min(observed_at) over (partition by {{ key }}) as first_observed_at
    from versions
    order by {{ key }}, observed_at desc
),

measured as (
    select distinct on ({{ key }})
        {{ key }},
        {{ metrics | join(', ') }},
        observed_at as metrics_observed_at
    from versions
    where {{ tells }}
    order by {{ key }}, observed_at desc
),

final as (
    select
        {{ surrogate_key(['business_id', "'instagram'", 'account_id', 'post_id']) }} as story_key,
        business_id,
        'instagram' as platform,
        account_id,
        post_id,
        described.published_at,
        described.expires_at,
        described.media_type,
        described.caption,
        described.permalink,
        {% for metric in metrics %}
            measured.{{ metric }},
        {% endfor %}
        -- Every other failure leaves a story unread, and unread stories have no version.
        case when measured.metrics_observed_at is null then 'fewer than 5 viewers' end as suppressed_because,
        measured.metrics_observed_at,
        described.first_observed_at,
        described.observed_at
    from described
    left join measured using ({{ key }})
)

select * from final
