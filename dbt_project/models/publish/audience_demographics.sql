{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'day', 'dimension', 'value'],
    'indexes': [['business_id', 'day', 'dimension']],
}) }}
{#- An older count of followers says too little of the day of the reading. #}
{%- set days_known = 7 %}
{%- set account_day = 'business_id, platform, account_id, measured_date' %}

with demographics as (
    select * from {{ ref('fct_audience_demographics') }}
),

labels as (
    select * from {{ ref('demographic_labels') }}
),

account_days as (
    select * from {{ ref('fct_account_daily') }}
    where followers_count is not null
),

reading_days as (
    select distinct {{ account_day }} from demographics
),

followers as (
    select
        reading_days.*,
        last_known.followers_count
    from reading_days
    left join lateral (
        select account_days.followers_count
        from account_days
        where
            account_days.business_id = reading_days.business_id
            and account_days.platform = reading_days.platform
            and account_days.account_id = reading_days.account_id
            and account_days.measured_date between reading_days.measured_date - {{ days_known }}
            and reading_days.measured_date
        order by account_days.measured_date desc
        limit 1
    ) as last_known on true
),

listed as (
    select
        demographics.*,
        sum(demographics.followers) over (partition by {{ account_day }}, demographics.dimension) as listed_followers
    from demographics
),

-- Small values are left out by the platforms, and long lists are cut: what they do not list is nobody knows where.
remaining as (
    select
        listed.*,
        followers.followers_count,
        case
            when followers.followers_count >= coalesce(listed.listed_followers, 0)
                then followers.followers_count - coalesce(listed.listed_followers, 0)
        end as unknown_followers
    from listed
    inner join followers using ({{ account_day }})
),

final as (
    select
        remaining.business_id,
        remaining.platform,
        remaining.account_id,
        remaining.measured_date as day,
        remaining.dimension,
        remaining.value,
        coalesce(labels.label, remaining.value) as label,
        remaining.followers,
        {{ percentage('remaining.followers', 'remaining.listed_followers') }} as share,
        case when remaining.followers is null then 'listed without a number' end as suppressed_because,
        remaining.followers_count,
        {{ percentage('remaining.followers', 'remaining.followers_count') }} as share_of_followers,
        remaining.unknown_followers,
        {{ percentage('remaining.unknown_followers', 'remaining.followers_count') }} as unknown_share
    from remaining
    left join labels on remaining.dimension = labels.dimension and remaining.value = labels.value
)

select * from final
