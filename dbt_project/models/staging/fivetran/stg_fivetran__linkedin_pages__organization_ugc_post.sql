{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'organization_ugc_post', {
        'organization_id': 'text',
        'ugc_post_id': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        organization_id,
        ugc_post_id as post_urn,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
