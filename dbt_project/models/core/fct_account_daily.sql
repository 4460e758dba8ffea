{{ config(
    unique_key=['business_id', 'platform', 'account_id', 'measured_date'],
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['profile', 'account_daily']) }}",
    post_hook="{{ ensure_index(['changed_at']) }}",
) }}
-- depends_on: {{ ref('loaded_runs') }}
{%- set told = [
    'impressions', 'reach', 'likes', 'comments', 'shares', 'saves', 'clicks', 'interactions', 'accounts_engaged',
    'page_views', 'website_clicks',
] %}

with
{% if continues() %}
    touched as (
        select
            business_id,
            platform,
            account_id,
            min(measured_date) as since_date
        from {{ ref('int_account_daily_unioned') }}
        where run_id = any({{ claimed_runs() }})
        group by business_id, platform, account_id
    ),
{% endif %}

records as (
    select distinct on (business_id, platform, account_id, record_key)
        *,
        min(observed_at) over (partition by business_id, platform, account_id, measured_date) as first_observed_at
    from {{ ref('int_account_daily_unioned') }}
    {% if continues() %}
        where
            business_id = any(array(select distinct business_id from touched))
            and account_id = any(array(select distinct account_id from touched))
            and (business_id, platform, account_id) in (
                select
                    business_id,
                    platform,
                    account_id
                from touched
            )
    {% endif %}
    order by business_id, platform, account_id, record_key, observed_at desc
),

-- Each column comes from one record of the day, so max only picks it.
days as (
    select
        business_id,
        platform,
        account_id,
        measured_date,
        coalesce(max(followers_stock), max(followers_seen)) as followers_count,
        max(followers_seen) as followers_seen,
        max(followers_gained) as followers_gained,
        max(followers_lost) as followers_lost,
        max(followers_net) as followers_net,
        {% for column in told %}
            max({{ column }}) as {{ column }},
        {% endfor %}
        max(observed_at) as observed_at,
        min(first_observed_at) as first_observed_at
    from records
    group by business_id, platform, account_id, measured_date
),

with_day_before as (
    select
        *,
        lag(measured_date) over by_day as date_before,
        lag(followers_seen) over by_day as followers_seen_before,
        lag(followers_count) over by_day as followers_count_before
    from days
    window by_day as (partition by business_id, platform, account_id order by measured_date)
),

netted as (
    select
        business_id,
        platform,
        account_id,
        measured_date,
        followers_count,
        case when date_before = measured_date - 1 then followers_count_before end as followers_count_before,
        followers_gained,
        followers_lost,
        case platform
            when 'linkedin' then followers_net
            when 'twitter'
                then case when date_before = measured_date - 1 then followers_seen - followers_seen_before end
            else followers_gained - followers_lost
        end as followers_net,
        {% for column in told %}
            {{ column }},
        {% endfor %}
        first_observed_at,
        observed_at
    from with_day_before
),

final as (
    select
        netted.business_id,
        netted.platform,
        netted.account_id,
        netted.measured_date,
        netted.followers_count,
        coalesce(netted.followers_count_before, netted.followers_count - netted.followers_net) as followers_before,
        netted.followers_gained,
        netted.followers_lost,
        netted.followers_net,
        {% for column in told %}
            netted.{{ column }},
        {% endfor %}
        netted.first_observed_at,
        netted.observed_at,
        now() as changed_at
    from netted
    {% if continues() %}
        inner join touched using (business_id, platform, account_id)
        where netted.measured_date >= touched.since_date
    {% endif %}
)

select * from final
