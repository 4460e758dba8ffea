{{ config(meta={'key': ['business_id', 'platform', 'rank']}) }}

with recommendations as (
    select * from {{ ref('fct_time_recommendations') }}
),

final as (
    select
        business_id,
        platform,
        rank,
        weekday,
        hour,
        label,
        lift,
        verdict,
        evidence
    from recommendations
)

select * from final
