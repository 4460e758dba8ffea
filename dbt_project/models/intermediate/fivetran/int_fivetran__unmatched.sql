{#- What one table of a connector holds and the table it belongs to does not, with the numbers that hang on it. -#}
{{ config(enabled=reads_fivetran()) }}

with linkedin_statistics as (
    select * from {{ ref('int_fivetran__linkedin_statistics') }}
),

tweets as (
    select * from {{ ref('int_fivetran__twitter_tweets') }}
),

facebook_posts as (
    select * from {{ ref('int_fivetran__facebook_posts') }}
),

media as (
    select * from {{ ref('int_fivetran__instagram_media') }}
),

-- Insights name no account: they are the business's whose accounts alone the connection reads.
owners as (
    select
        source_relation,
        case when count(distinct business_id) = 1 then min(business_id) end as business_id
    from media
    where is_listed
    group by source_relation
),

listed as (
    select
        business_id,
        'linkedin' as platform,
        source_relation,
        'statistics_without_post' as kind,
        click_count as clicks,
        impression_count as impressions,
        like_count as likes,
        share_count as shares,
        comment_count as comments
    from linkedin_statistics
    where post_urn is null

    union all

    select
        posts.business_id,
        'linkedin' as platform,
        posts.source_relation,
        'post_without_metrics' as kind,
        null as clicks,
        null as impressions,
        null as likes,
        null as shares,
        null as comments
    from {{ ref('int_fivetran__linkedin_posts') }} as posts
    where
        posts.is_newest
        and not exists (
            select 1
            from linkedin_statistics
            where
                linkedin_statistics.post_urn = posts.post_urn
                and linkedin_statistics.source_relation = posts.source_relation
        )

    union all

    select
        business_id,
        'twitter' as platform,
        source_relation,
        case when is_listed then 'post_without_metrics' else 'metrics_without_post' end as kind,
        clicks,
        impressions,
        likes,
        retweets as shares,
        replies as comments
    from tweets
    where not (is_listed and has_report)

    union all

    select
        business_id,
        'facebook' as platform,
        source_relation,
        case when is_listed then 'post_without_metrics' else 'metrics_without_post' end as kind,
        clicks,
        coalesce(media_views, impressions) as impressions,
        like_reactions as likes,
        share_count as shares,
        null as comments
    from facebook_posts
    where not (is_listed and has_metrics)

    union all

    select
        coalesce(media.business_id, owners.business_id) as business_id,
        'instagram' as platform,
        media.source_relation,
        case when media.is_listed then 'post_without_metrics' else 'metrics_without_post' end as kind,
        null as clicks,
        coalesce(media.video_photo_views, media.video_photo_impressions) as impressions,
        media.like_count as likes,
        media.video_photo_shares as shares,
        media.comment_count as comments
    from media
    left join owners on media.source_relation = owners.source_relation
    where not (media.is_listed and media.has_insights)
),

final as (
    select
        {{ surrogate_key(['business_id', 'platform', 'source_relation', 'kind']) }} as row_key,
        business_id,
        platform,
        source_relation,
        kind,
        count(*) as records,
        sum(clicks) as clicks,
        sum(impressions) as impressions,
        sum(likes) as likes,
        sum(shares) as shares,
        sum(comments) as comments
    from listed
    group by business_id, platform, source_relation, kind
)

select * from final
