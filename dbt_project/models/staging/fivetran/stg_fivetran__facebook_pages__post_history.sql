{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('facebook_pages', 'post_history', {
        'id': 'text',
        'page_id': 'text',
        'created_time': 'instant',
        'message': 'text',
        'status_type': 'text',
        'is_published': 'boolean',
        'share_count': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as post_id,
        page_id,
        created_time as created_at,
        message,
        status_type,
        is_published,
        share_count,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
