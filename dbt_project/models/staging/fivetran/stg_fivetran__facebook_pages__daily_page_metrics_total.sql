{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('facebook_pages', 'daily_page_metrics_total', {
        'page_id': 'text',
        'date': 'instant',
        'page_fans': 'numeric',
        'page_fan_adds': 'numeric',
        'page_fan_removes': 'numeric',
        'page_impressions': 'numeric',
        'page_media_view': 'numeric',
        'page_post_engagements': 'numeric',
        'page_views_total': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        page_id,
        date as ended_at,
        page_fans as fans,
        page_fan_adds as fan_adds,
        page_fan_removes as fan_removes,
        page_impressions as impressions,
        page_media_view as media_views,
        page_post_engagements as post_engagements,
        page_views_total as page_views,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
