{{ config(meta={'key': ['id'], 'indexes': [['business_id', 'platform', 'day']]}) }}

with account_days as (
    select * from {{ ref('fct_account_daily') }}
),

demographics as (
    select * from {{ ref('fct_audience_demographics') }}
),

labels as (
    select * from {{ ref('demographic_labels') }}
),

followers as (
    select
        business_id,
        platform,
        measured_date,
        sum(followers_count) as followers_count,
        {{ percentage(
            'sum(followers_net) filter (where followers_before is not null)',
            'sum(followers_before) filter (where followers_net is not null)',
        ) }} as follower_growth_rate,
        max(observed_at) as observed_at,
        min(first_observed_at) as first_observed_at
    from account_days
    where coalesce(followers_count, followers_gained, followers_lost, followers_net) is not null
    group by business_id, platform, measured_date
),

labelled as (
    select
        demographics.business_id,
        demographics.platform,
        demographics.measured_date,
        demographics.dimension,
        coalesce(labels.label, demographics.value) as label,
        sum(demographics.followers) as followers,
        max(demographics.observed_at) as observed_at,
        min(demographics.observed_at) as first_observed_at
    from demographics
    left join labels on demographics.dimension = labels.dimension and demographics.value = labels.value
    where demographics.dimension in ('age', 'gender', 'country', 'city')
    group by
        demographics.business_id,
        demographics.platform,
        demographics.measured_date,
        demographics.dimension,
        coalesce(labels.label, demographics.value)
),

audiences as (
    select
        business_id,
        platform,
        measured_date,
        jsonb_object_agg(label, followers) filter (where dimension = 'age') as age_demographics,
        jsonb_object_agg(label, followers) filter (where dimension = 'gender') as gender_demographics,
        jsonb_object_agg(label, followers) filter (where dimension = 'country') as countries,
        jsonb_object_agg(label, followers) filter (where dimension = 'city') as cities,
        max(observed_at) as observed_at,
        min(first_observed_at) as first_observed_at
    from labelled
    group by business_id, platform, measured_date
),

final as (
    select
        {{ surrogate_key(['business_id', 'platform', 'measured_date']) }} as id,
        business_id,
        platform,
        measured_date as day,
        followers.followers_count,
        followers.follower_growth_rate,
        audiences.age_demographics,
        audiences.gender_demographics,
        case
            when audiences.countries is not null or audiences.cities is not null
                then jsonb_strip_nulls(jsonb_build_object('country', audiences.countries, 'city', audiences.cities))
        end as location_demographics,
        greatest(followers.observed_at, audiences.observed_at) as synced_at,
        least(followers.first_observed_at, audiences.first_observed_at) as created_at
    from followers
    full join audiences using (business_id, platform, measured_date)
)

select * from final
