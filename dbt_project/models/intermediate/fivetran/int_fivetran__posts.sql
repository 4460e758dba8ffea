{{ config(enabled=reads_fivetran()) }}

with linkedin as (
    select
        business_id,
        'linkedin' as platform,
        account_id,
        post_urn as post_id,
        synced_at,
        coalesce(first_published_at, created_at) as published_at,
        case
            when content_type = 'poll' then 'poll'
            when content_type in ('multi_image', 'carousel') then 'carousel'
            when content_type = 'article' then 'link'
            when media_urn like 'urn:li:image:%' then 'image'
            when media_urn like 'urn:li:video:%' then 'video'
            when media_urn like 'urn:li:document:%' then 'document'
            else 'text'
        end as content_type,
        ops.linkedin_text(commentary) as text,
        'https://www.linkedin.com/feed/update/' || post_urn || '/' as permalink,
        ops.linkedin_hashtags(commentary) as hashtags_written,
        case
            when lifecycle_state <> 'PUBLISHED' then 'draft'
            when feed_distribution = 'NONE' then 'dark post'
        end as excluded_because
    from {{ ref('int_fivetran__linkedin_posts') }}
),

twitter as (
    select
        business_id,
        'twitter' as platform,
        account_id,
        tweet_id as post_id,
        synced_at,
        created_at as published_at,
        case
            -- https://docs.x.com/x-ads-api/creatives: the number before _ is the kind of the media
            when split_part(media_key, '_', 1) = '3' then 'image'
            when media_key is not null then 'video'
            else 'text'
        end as content_type,
        full_text as text,
        'https://x.com/i/status/' || tweet_id as permalink,
        ops.hashtags(full_text) as hashtags_written,
        case
            when tweet_type <> 'PUBLISHED' then 'draft'
            when full_text like 'RT @%' then 'repost'
            when coalesce(in_reply_to_tweet_id, in_reply_to_user_id) is not null then 'reply'
        end as excluded_because
    from {{ ref('int_fivetran__twitter_tweets') }}
    where is_listed
),

facebook as (
    select
        business_id,
        'facebook' as platform,
        page_id as account_id,
        post_id,
        synced_at,
        created_at as published_at,
        case
            when status_type = 'added_video' then 'video'
            when status_type = 'added_photos' then 'image'
            when status_type = 'shared_story' then 'link'
            else 'text'
        end as content_type,
        message as text,
        'https://www.facebook.com/' || post_id as permalink,
        ops.hashtags(message) as hashtags_written,
        case when not is_published then 'unpublished' end as excluded_because
    from {{ ref('int_fivetran__facebook_posts') }}
    where is_listed
),

instagram as (
    select
        business_id,
        'instagram' as platform,
        user_id as account_id,
        media_id as post_id,
        synced_at,
        created_at as published_at,
        case
            when kind in ('story', 'reel') then kind
            when kind = 'carousel_album' then 'carousel'
            when media_type = 'VIDEO' then 'video'
            else 'image'
        end as content_type,
        caption as text,
        permalink,
        ops.hashtags(caption) as hashtags_written,
        case
            when kind = 'story' then 'story'
            when carousel_album_id is not null then 'album part'
        end as excluded_because
    from {{ ref('int_fivetran__instagram_media') }}
    where is_listed
),

unioned as (
    select * from linkedin
    union all
    select * from twitter
    union all
    select * from facebook
    union all
    select * from instagram
),

final as (
    select
        business_id,
        platform,
        account_id,
        post_id,
        cast(null as text[]) as version_ids,
        cast(null as uuid) as run_id,
        synced_at at time zone 'UTC' as observed_at,
        published_at at time zone 'UTC' as published_at,
        content_type,
        text,
        permalink,
        hashtags_written,
        case when published_at is null then 'undated' else excluded_because end as excluded_because
    from unioned
    where business_id is not null
)

select * from final
