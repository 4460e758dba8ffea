{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'ugc_post_history', {
        'id': 'text',
        'author': 'text',
        'commentary': 'text',
        'created_time': 'instant',
        'first_published_at': 'instant',
        'last_modified_time': 'instant',
        'lifecycle_state': 'text',
        'distribution_feed_distribution': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as post_urn,
        author as author_urn,
        commentary,
        created_time as created_at,
        first_published_at,
        last_modified_time as last_modified_at,
        lifecycle_state,
        distribution_feed_distribution as feed_distribution,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
