{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('twitter_organic', 'tweet', {
        'id': 'text',
        'account_id': 'text',
        'user_id': 'text',
        'created_at': 'instant',
        'full_text': 'text',
        'in_reply_to_status_id': 'text',
        'in_reply_to_user_id': 'text',
        'media_key': 'text',
        'tweet_type': 'text',
        'favorite_count': 'numeric',
        'retweet_count': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as tweet_id,
        account_id as advertiser_id,
        user_id,
        created_at,
        full_text,
        in_reply_to_status_id as in_reply_to_tweet_id,
        in_reply_to_user_id,
        media_key,
        tweet_type,
        favorite_count,
        retweet_count,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
