{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'day', 'dimension', 'value'],
    'indexes': [['business_id', 'day', 'dimension']],
}) }}

with demographics as (
    select * from {{ ref('fct_audience_demographics') }}
),

labels as (
    select * from {{ ref('demographic_labels') }}
),

final as (
    select
        demographics.business_id,
        demographics.platform,
        demographics.account_id,
        demographics.measured_date as day,
        demographics.dimension,
        demographics.value,
        coalesce(labels.label, demographics.value) as label,
        demographics.followers,
        {{ percentage(
            'demographics.followers',
            'sum(demographics.followers) over (partition by demographics.business_id, demographics.platform, '
            ~ 'demographics.account_id, demographics.measured_date, demographics.dimension)',
        ) }} as share
    from demographics
    left join labels on demographics.dimension = labels.dimension and demographics.value = labels.value
)

select * from final
