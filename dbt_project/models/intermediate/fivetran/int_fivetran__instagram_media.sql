{{ config(enabled=reads_fivetran()) }}

with media as (
    select distinct on (media_id, source_relation) *
    from {{ ref('stg_fivetran__instagram_business__media_history') }}
    order by media_id, source_relation, synced_at desc
),

insights as (
    select distinct on (media_id, source_relation) *
    from {{ ref('stg_fivetran__instagram_business__media_insights') }}
    order by media_id, source_relation, synced_at desc
),

-- Insights of what no list holds keep their numbers and have no account.
final as (
    select
        media_id,
        source_relation,
        media.user_id,
        media.created_at,
        media.caption,
        media.permalink,
        media.media_type,
        media.carousel_album_id,
        media.user_id is not null as is_listed,
        insights.synced_at is not null as has_insights,
        {{ fivetran_business('instagram', ['media.user_id']) }} as business_id,
        case
            when media.is_story then 'story'
            when media.media_type = 'CAROUSEL_ALBUM' then 'carousel_album'
            when media.media_type = 'VIDEO' and insights.reel_views > 0 then 'reel'
            else 'video_photo'
        end as kind,
        insights.like_count,
        insights.comment_count,
        insights.story_views,
        insights.story_impressions,
        insights.story_reach,
        insights.story_shares,
        insights.carousel_album_views,
        insights.carousel_album_impressions,
        insights.carousel_album_reach,
        insights.carousel_album_saved,
        insights.carousel_album_shares,
        insights.reel_views,
        insights.reel_reach,
        insights.reel_shares,
        insights.video_photo_views,
        insights.video_photo_impressions,
        insights.video_photo_reach,
        insights.video_photo_saved,
        insights.video_photo_shares,
        coalesce(insights.synced_at, media.synced_at) as synced_at
    from media
    full join insights using (media_id, source_relation)
)

select * from final
