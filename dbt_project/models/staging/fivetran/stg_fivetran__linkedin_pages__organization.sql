{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'organization', {
        'id': 'text',
        'localized_name': 'text',
        'vanity_name': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as organization_id,
        localized_name as organization_name,
        vanity_name,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
