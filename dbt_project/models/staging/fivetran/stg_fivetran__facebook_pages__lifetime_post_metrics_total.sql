{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('facebook_pages', 'lifetime_post_metrics_total', {
        'post_id': 'text',
        'date': 'instant',
        'post_clicks': 'numeric',
        'post_impressions': 'numeric',
        'post_media_view': 'numeric',
        'post_reactions_like_total': 'numeric',
        'post_reactions_love_total': 'numeric',
        'post_reactions_haha_total': 'numeric',
        'post_reactions_wow_total': 'numeric',
        'post_reactions_sorry_total': 'numeric',
        'post_reactions_anger_total': 'numeric',
        'post_video_views': 'numeric',
        'post_video_view_time': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        post_id,
        date as measured_at,
        post_clicks as clicks,
        post_impressions as impressions,
        post_media_view as media_views,
        post_reactions_like_total as like_reactions,
        post_reactions_love_total as love_reactions,
        post_reactions_haha_total as haha_reactions,
        post_reactions_wow_total as wow_reactions,
        post_reactions_sorry_total as sorry_reactions,
        post_reactions_anger_total as anger_reactions,
        post_video_views as video_views,
        post_video_view_time as video_view_time_ms,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
