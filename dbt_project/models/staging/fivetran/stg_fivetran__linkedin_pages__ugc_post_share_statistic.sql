{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'ugc_post_share_statistic', {
        'share_statistic_id': 'text',
        'ugc_post_id': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        share_statistic_id as statistic_id,
        ugc_post_id as post_urn,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
