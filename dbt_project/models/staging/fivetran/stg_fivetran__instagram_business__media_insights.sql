{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('instagram_business', 'media_insights', {
        'id': 'text',
        'like_count': 'numeric',
        'comment_count': 'numeric',
        'story_views': 'numeric',
        'story_impressions': 'numeric',
        'story_reach': 'numeric',
        'story_shares': 'numeric',
        'carousel_album_views': 'numeric',
        'carousel_album_impressions': 'numeric',
        'carousel_album_reach': 'numeric',
        'carousel_album_saved': 'numeric',
        'carousel_album_shares': 'numeric',
        'reel_views': 'numeric',
        'reel_reach': 'numeric',
        'reel_shares': 'numeric',
        'video_photo_views': 'numeric',
        'video_photo_impressions': 'numeric',
        'video_photo_reach': 'numeric',
        'video_photo_saved': 'numeric',
        'video_photo_shares': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as media_id,
        like_count,
        comment_count,
        story_views,
        story_impressions,
        story_reach,
        story_shares,
        carousel_album_views,
        carousel_album_impressions,
        carousel_album_reach,
        carousel_album_saved,
        carousel_album_shares,
        reel_views,
        reel_reach,
        reel_shares,
        video_photo_views,
        video_photo_impressions,
        video_photo_reach,
        video_photo_saved,
        video_photo_shares,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
