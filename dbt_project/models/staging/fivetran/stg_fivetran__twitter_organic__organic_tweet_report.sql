{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('twitter_organic', 'organic_tweet_report', {
        'organic_tweet_id': 'text',
        'account_id': 'text',
        'date': 'instant',
        'clicks': 'numeric',
        'url_clicks': 'numeric',
        'impressions': 'numeric',
        'likes': 'numeric',
        'retweets': 'numeric',
        'replies': 'numeric',
        'video_total_views': 'numeric',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        organic_tweet_id as tweet_id,
        account_id as advertiser_id,
        date as measured_at,
        clicks,
        url_clicks,
        impressions,
        likes,
        retweets,
        replies,
        video_total_views as video_views,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
