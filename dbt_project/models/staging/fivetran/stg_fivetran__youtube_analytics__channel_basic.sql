{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('youtube_analytics', 'channel_basic', {
        'video_id': 'text',
        'channel_id': 'text',
        'views': 'numeric',
        'likes': 'numeric',
        'comments': 'numeric',
        'shares': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        video_id,
        channel_id,
        views,
        likes,
        comments,
        shares,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
