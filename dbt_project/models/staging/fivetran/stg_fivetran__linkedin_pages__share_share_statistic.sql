{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'share_share_statistic', {
        'share_statistic_id': 'text',
        'share_id': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        share_statistic_id as statistic_id,
        share_id,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
