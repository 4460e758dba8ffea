{{ config(meta={'key': ['business_id', 'platform', 'hashtag']}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

judged as (
    select * from {{ ref('fct_hashtag_lifts') }}
),

used as (
    select
        posts.business_id,
        posts.platform,
        tags.hashtag,
        tags.display,
        posts.published_at,
        posts.engagement,
        posts.impressions
    from posts
    cross join lateral unnest(posts.hashtags, posts.hashtags_display) as tags (hashtag, display)
),

spellings as (
    select distinct on (business_id, platform, hashtag)
        business_id,
        platform,
        hashtag,
        display
    from (
        select
            business_id,
            platform,
            hashtag,
            display,
            count(*) as times
        from used
        group by business_id, platform, hashtag, display
    ) as counted
    order by business_id, platform, hashtag, times desc, display collate "C"
),

averaged as (
    select
        business_id,
        platform,
        hashtag,
        count(*) as posts,
        {{ mean('engagement') }} as avg_engagement,
        {{ engagement_of_set() }},
        min(published_at) as first_used_at,
        max(published_at) as last_used_at
    from used
    group by business_id, platform, hashtag
),

final as (
    select
        averaged.business_id,
        averaged.platform,
        averaged.hashtag,
        spellings.display,
        averaged.posts,
        averaged.avg_engagement,
        averaged.engagement as total_engagement,
        averaged.rated_engagement,
        averaged.rated_impressions,
        averaged.engagement_rate,
        judged.lift,
        judged.lift_low,
        judged.lift_high,
        judged.p_value,
        judged.q_value,
        coalesce(judged.verdict, 'insufficient_data') as verdict,
        averaged.first_used_at,
        averaged.last_used_at
    from averaged
    inner join spellings using (business_id, platform, hashtag)
    left join judged using (business_id, platform, hashtag)
)

select * from final
