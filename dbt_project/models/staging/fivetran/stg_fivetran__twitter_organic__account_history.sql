{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('twitter_organic', 'account_history', {
        'id': 'text',
        'name': 'text',
        'updated_at': 'instant',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as advertiser_id,
        name as account_name,
        updated_at,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
