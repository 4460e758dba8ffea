with linkedin as (
    select
        business_id,
        'linkedin' as platform,
        account_id,
        post_id,
        cast(null as text[]) as version_ids,
        run_id,
        observed_at,
        published_at,
        case
            when has_poll then 'poll'
            when has_multi_image or has_carousel then 'carousel'
            when has_article then 'link'
            when media_urn like 'urn:li:image:%' then 'image'
            when media_urn like 'urn:li:video:%' then 'video'
            when media_urn like 'urn:li:document:%' then 'document'
            else 'text'
        end as content_type,
        ops.linkedin_text(commentary) as text,
        'https://www.linkedin.com/feed/update/' || post_id || '/' as permalink,
        ops.linkedin_hashtags(commentary) as hashtags_written,
        case
            when published_at is null then 'undated'
            when lifecycle_state <> 'PUBLISHED' then 'draft'
            when feed_distribution = 'NONE' or is_direct_sponsored = 'true' then 'dark post'
        end as excluded_because
    from {{ ref('stg_linkedin__posts') }}
),

twitter as (
    select
        business_id,
        'twitter' as platform,
        account_id,
        post_id,
        version_ids,
        run_id,
        observed_at,
        created_at as published_at,
        case
            when media_types ?| array['video', 'animated_gif'] then 'video'
            when jsonb_array_length(media_types) > 1 then 'carousel'
            when jsonb_array_length(media_types) = 1 then 'image'
            when has_poll then 'poll'
            when has_external_link then 'link'
            else 'text'
        end as content_type,
        text,
        'https://x.com/' || coalesce(username, 'i') || '/status/' || post_id as permalink,
        ops.hashtags(text) as hashtags_written,
        case
            when created_at is null then 'undated'
            when referenced_types ? 'retweeted' then 'repost'
            when referenced_types ? 'replied_to' or in_reply_to_user_id is not null then 'reply'
        end as excluded_because
    from {{ ref('stg_twitter__posts') }}
),

facebook as (
    select
        business_id,
        'facebook' as platform,
        account_id,
        post_id,
        cast(null as text[]) as version_ids,
        run_id,
        observed_at,
        created_time as published_at,
        case
            when permalink_url like '%/reel/%' or attachment_url like '%/reel/%' then 'reel'
            when attachment_media_type = 'album' then 'carousel'
            when attachment_media_type like 'video%' or attachment_type like 'video%' then 'video'
            when attachment_media_type = 'photo' then 'image'
            when attachment_type in ('photo', 'profile_media', 'cover_photo') then 'image'
            when attachment_media_type in ('link', 'share') or attachment_type = 'share' then 'link'
            else 'text'
        end as content_type,
        message as text,
        permalink_url as permalink,
        ops.hashtags(message) as hashtags_written,
        case
            when created_time is null then 'undated'
            when is_published = 'false' then 'unpublished'
        end as excluded_because
    from {{ ref('stg_facebook__posts') }}
),

instagram as (
    select
        business_id,
        'instagram' as platform,
        account_id,
        post_id,
        cast(null as text[]) as version_ids,
        run_id,
        observed_at,
        published_at,
        case
            when media_product_type = 'STORY' then 'story'
            when media_product_type = 'REELS' then 'reel'
            when media_type = 'CAROUSEL_ALBUM' then 'carousel'
            when media_type = 'VIDEO' then 'video'
            else 'image'
        end as content_type,
        caption as text,
        permalink,
        ops.hashtags(caption) as hashtags_written,
        case
            when published_at is null then 'undated'
            when media_product_type = 'AD' then 'ad'
            when media_product_type = 'STORY' then 'story'
        end as excluded_because
    from {{ ref('stg_instagram__posts') }}
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
    {% if reads_fivetran() %}
        select * from {{ ref('int_fivetran__posts') }}
    {% else %}
        select * from unioned
    {% endif %}
)

select * from final
