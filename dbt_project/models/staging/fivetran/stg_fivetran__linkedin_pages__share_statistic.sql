{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'share_statistic', {
        '_fivetran_id': 'text',
        '_organization_entity_urn': 'text',
        '_share_entity_urn': 'text',
        'impression_count': 'numeric',
        'click_count': 'numeric',
        'like_count': 'numeric',
        'comment_count': 'numeric',
        'share_count': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        _fivetran_id as statistic_id,
        _organization_entity_urn as organization_urn,
        _share_entity_urn as share_urn,
        impression_count,
        click_count,
        like_count,
        comment_count,
        share_count,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
