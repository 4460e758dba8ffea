{{ config(
    unique_key=['business_id', 'platform', 'account_id', 'record_key'],
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['account_daily']) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}
{#- What a profile says of today moves all day long and is no series: followers_seen stays out. #}
{%- set metrics = [
    'followers_stock', 'followers_gained', 'followers_lost', 'followers_net', 'impressions', 'reach', 'likes', 'comments',
    'shares', 'saves', 'clicks', 'interactions', 'accounts_engaged', 'page_views', 'website_clicks',
] %}
{%- set key = 'business_id, platform, account_id, record_key' %}

with
{% if continues() %}
    touched as (
        select distinct {{ key }}
        from {{ ref('int_account_daily_unioned') }}
        where run_id = any({{ claimed_runs() }})
    ),
{% endif %}

versions as (
    select
        *,
        -- The day ends where the platform cuts it.
        cast(measured_date + 1 as timestamp) at time zone
        case when platform in ('facebook', 'instagram') then 'America/Los_Angeles' else 'UTC' end as day_ended_at
    from {{ ref('int_account_daily_unioned') }}
    {% if continues() %}
        where
            business_id = any(array(select distinct business_id from touched))
            and account_id = any(array(select distinct account_id from touched))
            and record_key = any(array(select record_key from touched))
            and ({{ key }}) in (select {{ key }} from touched)
    {% endif %}
),

compared as (
    select
        *,
        {% for metric in metrics %}
            {{ last_known(metric) }} over before as {{ metric }}_before{% if not loop.last %},{% endif %}
        {% endfor %}
    from versions
    window before as (
        partition by {{ key }}
        order by observed_at
        rows between unbounded preceding and 1 preceding
    )
),

changed as (
    select
        compared.business_id,
        compared.platform,
        compared.account_id,
        compared.record_key,
        compared.measured_date,
        compared.day_ended_at,
        metrics.metric,
        compared.observed_at,
        timestamptz '1970-01-01 00:00:00+00' + metrics.known_before[1] * interval '1 second' as old_observed_at,
        metrics.known_before[2] as old_value,
        metrics.new_value
    from compared
    {{ with_each_metric('compared', metrics, {'followers_stock': 'followers_count'}) }}
    where metrics.new_value <> metrics.known_before[2]
),

final as (
    select * from changed
    -- While the day runs its numbers grow; that restates nothing.
    where old_observed_at >= day_ended_at
)

select * from final
