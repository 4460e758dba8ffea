{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('facebook_pages', 'page', {
        'id': 'text',
        'name': 'text',
        'username': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as page_id,
        name as page_name,
        username,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
