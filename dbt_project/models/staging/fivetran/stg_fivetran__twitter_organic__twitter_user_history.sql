{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('twitter_organic', 'twitter_user_history', {
        'id': 'text',
        'name': 'text',
        'screen_name': 'text',
        'followers_count': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as user_id,
        name as account_name,
        screen_name as handle,
        followers_count,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
