{{ config(enabled=reads_fivetran()) }}

with tweets as (
    select
        *,
        coalesce(user_id, advertiser_id) as account_id
    from {{ ref('stg_fivetran__twitter_organic__tweet') }}
),

reports as (
    select
        tweet_id,
        source_relation,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(url_clicks) as url_clicks,
        sum(likes) as likes,
        sum(retweets) as retweets,
        sum(replies) as replies,
        sum(video_views) as video_views,
        min(advertiser_id) as advertiser_id,
        max(synced_at) as synced_at
    from {{ ref('stg_fivetran__twitter_organic__organic_tweet_report') }}
    group by tweet_id, source_relation
),

-- Reports of what no list holds keep their numbers.
final as (
    select
        tweet_id,
        source_relation,
        tweets.tweet_id is not null as is_listed,
        reports.tweet_id is not null as has_report,
        coalesce(tweets.account_id, reports.advertiser_id) as account_id,
        coalesce(tweets.advertiser_id, reports.advertiser_id) as advertiser_id,
        {{ fivetran_business(
            'twitter', ['tweets.account_id', 'coalesce(tweets.advertiser_id, reports.advertiser_id)'],
        ) }} as business_id,
        tweets.created_at,
        tweets.full_text,
        tweets.in_reply_to_tweet_id,
        tweets.in_reply_to_user_id,
        tweets.media_key,
        tweets.tweet_type,
        tweets.favorite_count,
        tweets.retweet_count,
        reports.impressions,
        reports.clicks,
        reports.url_clicks,
        reports.likes,
        reports.retweets,
        reports.replies,
        reports.video_views,
        greatest(tweets.synced_at, reports.synced_at) as synced_at
    from tweets
    full join reports using (tweet_id, source_relation)
)

select * from final
