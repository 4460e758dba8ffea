{{ config(meta={'key': ['business_id', 'platform', 'weekday', 'hour']}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

judged as (
    select * from {{ ref('fct_time_slots') }}
),

averaged as (
    select
        business_id,
        platform,
        published_weekday as weekday,
        published_hour as hour,
        count(*) as posts,
        {{ mean('engagement_rate') }} as engagement_rate_mean
    from posts
    group by business_id, platform, published_weekday, published_hour
),

final as (
    select
        averaged.business_id,
        averaged.platform,
        averaged.weekday,
        averaged.hour,
        averaged.posts,
        averaged.engagement_rate_mean,
        judged.lift,
        judged.lift_low,
        judged.lift_high,
        judged.lift_low_95,
        judged.lift_high_95,
        judged.probability_better,
        judged.p_value,
        judged.posts_judged,
        judged.more_posts,
        -- Young posts are not judged yet, nor is what came after the last run of the statistics.
        coalesce(judged.verdict, 'insufficient_data') as verdict
    from averaged
    left join judged using (business_id, platform, weekday, hour)
)

select * from final
