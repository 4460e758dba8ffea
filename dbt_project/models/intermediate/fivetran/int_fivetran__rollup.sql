{#-
    The posts as Fivetran's social_media_reporting package (1.5.0) would show them, with its quirks: each CTE follows one
    of its models. `post_key` and `account_id` are ours, so that the rows can be laid beside core's.
-#}
{{ config(enabled=reads_fivetran()) }}

with organization_posts as (
    select
        organization_id,
        'ugc' as kind,
        -- Fivetran lowers a URN of one kind and leaves the other as it is.
        {{ linkedin_number('post_urn') }} as post_number,
        source_relation
    from {{ ref('stg_fivetran__linkedin_pages__organization_ugc_post') }}
    union all
    select
        organization_id,
        'share' as kind,
        share_id as post_number,
        source_relation
    from {{ ref('stg_fivetran__linkedin_pages__organization_share') }}
),

linkedin as (
    select
        posts.business_id,
        'linkedin' as platform,
        posts.account_id,
        posts.post_urn as own_post_id,
        posts.source_relation,
        posts.created_at as created_timestamp,
        posts.post_number as post_id,
        coalesce(posts.title, posts.commentary) as post_message,
        organizations.organization_id as page_id,
        organizations.organization_name as page_name,
        'https://www.linkedin.com/embed/feed/update/' || posts.post_urn as post_url,
        coalesce(statistics.click_count, 0) as clicks,
        coalesce(statistics.impression_count, 0) as impressions,
        coalesce(statistics.like_count, 0) as likes,
        coalesce(statistics.share_count, 0) as shares,
        coalesce(statistics.comment_count, 0) as comments
    from {{ ref('int_fivetran__linkedin_posts') }} as posts
    left join {{ ref('int_fivetran__linkedin_statistics') }} as statistics
        on
            posts.post_number = statistics.strict_post_number
            and posts.kind = statistics.strict_kind
            and posts.source_relation = statistics.source_relation
    left join organization_posts
        on
            posts.post_number = organization_posts.post_number
            and posts.kind = organization_posts.kind
            and posts.source_relation = organization_posts.source_relation
    left join {{ ref('stg_fivetran__linkedin_pages__organization') }} as organizations
        on
            organization_posts.organization_id = organizations.organization_id
            and posts.source_relation = organizations.source_relation
    where posts.is_newest
),

advertisers as (
    select distinct on (advertiser_id, source_relation) *
    from {{ ref('stg_fivetran__twitter_organic__account_history') }}
    order by advertiser_id, source_relation, updated_at desc
),

twitter as (
    select
        tweets.business_id,
        'twitter' as platform,
        tweets.account_id,
        tweets.tweet_id as own_post_id,
        tweets.source_relation,
        tweets.created_at as created_timestamp,
        tweets.tweet_id as post_id,
        tweets.full_text as post_message,
        tweets.advertiser_id as page_id,
        advertisers.account_name as page_name,
        'https://twitter.com/p/status/' || tweets.tweet_id as post_url,
        coalesce(tweets.clicks, 0) as clicks,
        coalesce(tweets.impressions, 0) as impressions,
        coalesce(tweets.likes, 0) as likes,
        coalesce(tweets.retweets, 0) as shares,
        coalesce(tweets.replies, 0) as comments
    from {{ ref('int_fivetran__twitter_tweets') }} as tweets
    left join advertisers
        on tweets.advertiser_id = advertisers.advertiser_id and tweets.source_relation = advertisers.source_relation
    where tweets.is_listed
),

-- The metrics lead: a post without any is left out, metrics without a post make a row without a name.
facebook as (
    select
        posts.business_id,
        'facebook' as platform,
        posts.page_id as account_id,
        case when posts.is_listed then posts.post_id end as own_post_id,
        posts.source_relation,
        posts.created_at as created_timestamp,
        case when posts.is_listed then posts.post_id end as post_id,
        posts.message as post_message,
        case when posts.is_listed then posts.page_id end as page_id,
        pages.page_name,
        case when posts.is_listed then {{ facebook_post_url('posts.post_id') }} end as post_url,
        coalesce(posts.clicks, 0) as clicks,
        coalesce(posts.impressions, 0) as impressions,
        coalesce(posts.like_reactions, 0) as likes,
        cast(null as numeric) as shares,
        cast(null as numeric) as comments
    from {{ ref('int_fivetran__facebook_posts') }} as posts
    left join {{ ref('stg_fivetran__facebook_pages__page') }} as pages
        on posts.is_listed and posts.page_id = pages.page_id and posts.source_relation = pages.source_relation
    where posts.has_metrics
),

instagram_users as (
    select distinct on (user_id, source_relation) *
    from {{ ref('stg_fivetran__instagram_business__user_history') }}
    order by user_id, source_relation, synced_at desc
),

instagram as (
    select
        media.business_id,
        'instagram' as platform,
        media.user_id as account_id,
        media.media_id as own_post_id,
        media.source_relation,
        media.created_at as created_timestamp,
        media.media_id as post_id,
        media.caption as post_message,
        users.user_id as page_id,
        users.account_name as page_name,
        media.permalink as post_url,
        cast(null as numeric) as clicks,
        coalesce(media.story_views, media.story_impressions, 0)
        + coalesce(media.video_photo_views, media.video_photo_impressions, 0) as impressions,
        coalesce(media.like_count, 0) as likes,
        cast(null as numeric) as shares,
        coalesce(media.comment_count, 0) as comments
    from {{ ref('int_fivetran__instagram_media') }} as media
    left join instagram_users as users
        on media.user_id = users.user_id and media.source_relation = users.source_relation
    where media.is_listed
),

youtube as (
    select
        {{ fivetran_business('youtube', ['reports.channel_id'], 'reports.source_relation') }} as business_id,
        'youtube' as platform,
        reports.channel_id as account_id,
        reports.video_id as own_post_id,
        reports.source_relation,
        videos.published_at as created_timestamp,
        reports.video_id as post_id,
        videos.description as post_message,
        reports.channel_id as page_id,
        videos.channel_title as page_name,
        substring(videos.thumbnails from '"default": *[{][^}]*"url": *"([^"]*)"') as post_url,
        sum(reports.views) as clicks,
        cast(null as numeric) as impressions,
        sum(reports.likes) as likes,
        sum(reports.shares) as shares,
        sum(reports.comments) as comments
    from {{ ref('stg_fivetran__youtube_analytics__channel_basic') }} as reports
    left join {{ ref('stg_fivetran__youtube_analytics__video') }} as videos
        on reports.video_id = videos.video_id and reports.source_relation = videos.source_relation
    group by
        reports.channel_id,
        reports.video_id,
        reports.source_relation,
        videos.published_at,
        videos.description,
        videos.channel_title,
        videos.thumbnails
),

unioned as (
    select * from linkedin
    union all
    select * from twitter
    union all
    select * from facebook
    union all
    select * from instagram
    union all
    select * from youtube
),

final as (
    select
        {{ surrogate_key(['business_id', 'platform', 'account_id', 'own_post_id', 'source_relation']) }} as row_key,
        {{ surrogate_key(['business_id', 'platform', 'account_id', 'own_post_id']) }} as post_key,
        business_id,
        platform,
        account_id,
        created_timestamp,
        post_id,
        post_message,
        page_id,
        page_name,
        post_url,
        source_relation,
        sum(clicks) as clicks,
        sum(impressions) as impressions,
        sum(likes) as likes,
        sum(shares) as shares,
        sum(comments) as comments
    from unioned
    where business_id is not null
    group by
        business_id,
        platform,
        account_id,
        own_post_id,
        created_timestamp,
        post_id,
        post_message,
        page_id,
        page_name,
        post_url,
        source_relation
)

select * from final
