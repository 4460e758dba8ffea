{#-
    Readings of posts in canonical words, as in int_post_metrics_unioned. Facebook's come from two tables, which stand for
    its two streams: shares with the post, everything else apart.
-#}
{{ config(enabled=reads_fivetran()) }}
{%- set branches = [
    ('linkedin', 'posts', 'linkedin', 'account_id', 'post_urn', {
        'impressions': 'impression_count',
        'clicks': 'click_count',
        'likes': 'like_count',
        'reactions': 'like_count',
        'comments': 'comment_count',
        'shares': 'share_count',
    }),
    ('twitter', 'posts', 'twitter', 'account_id', 'tweet_id', {
        'impressions': 'impressions',
        'clicks': 'url_clicks',
        'likes': 'favorite_count',
        'reactions': 'favorite_count',
        'comments': 'replies',
        'shares': 'retweet_count',
        'reposts': 'retweet_count',
        'video_views': 'video_views',
    }),
    ('facebook', 'posts', 'facebook_shared', 'page_id', 'post_id', {'shares': 'share_count'}),
    ('facebook', 'post_metrics', 'facebook_measured', 'page_id', 'post_id', {
        'impressions': 'coalesce(media_views, impressions)',
        'views': 'media_views',
        'clicks': 'clicks',
        'likes': 'reactions',
        'reactions': 'reactions',
        'video_views': 'video_views',
        'watch_time_seconds': 'trim_scale(video_view_time_ms / 1000)',
    }),
    ('instagram', 'posts', 'instagram', 'user_id', 'media_id', {
        'impressions': 'views',
        'reach': 'reach',
        'views': 'views',
        'likes': 'like_count',
        'reactions': 'like_count',
        'comments': 'comment_count',
        'shares': 'shares',
        'saves': 'saves',
        'video_views': "case when kind = 'reel' or media_type = 'VIDEO' then views end",
    }),
] %}

with linkedin as (
    select * from {{ ref('int_fivetran__linkedin_statistics') }}
    where post_urn is not null
),

twitter as (
    select * from {{ ref('int_fivetran__twitter_tweets') }}
    where is_listed
),

facebook_posts as (
    select * from {{ ref('int_fivetran__facebook_posts') }}
    where is_listed
),

facebook_shared as (
    select * from facebook_posts
    where share_count is not null
),

facebook_measured as (
    select
        posts.business_id,
        posts.page_id,
        metrics.*,
        {{ add_known([
            'metrics.like_reactions', 'metrics.love_reactions', 'metrics.haha_reactions', 'metrics.wow_reactions',
            'metrics.sorry_reactions', 'metrics.anger_reactions',
        ]) }} as reactions
    from {{ ref('stg_fivetran__facebook_pages__lifetime_post_metrics_total') }} as metrics
    inner join facebook_posts as posts
        on metrics.post_id = posts.post_id and metrics.source_relation = posts.source_relation
),

instagram as (
    select
        *,
        case kind
            when 'story' then coalesce(story_views, story_impressions)
            when 'carousel_album' then coalesce(carousel_album_views, carousel_album_impressions)
            when 'reel' then reel_views
            else coalesce(video_photo_views, video_photo_impressions)
        end as views,
        case kind
            when 'story' then story_reach
            when 'carousel_album' then carousel_album_reach
            when 'reel' then reel_reach
            else video_photo_reach
        end as reach,
        case kind
            when 'story' then story_shares
            when 'carousel_album' then carousel_album_shares
            when 'reel' then reel_shares
            else video_photo_shares
        end as shares,
        case kind
            when 'carousel_album' then carousel_album_saved
            when 'video_photo' then video_photo_saved
        end as saves
    from {{ ref('int_fivetran__instagram_media') }}
    where is_listed and has_insights
),

unioned as (
    {% for platform, stream, relation, account_id, post_id, told in branches %}
        select
            business_id,
            '{{ platform }}' as platform,
            {{ account_id }} as account_id,
            {{ post_id }} as post_id,
            cast(null as text[]) as version_ids,
            cast(null as uuid) as run_id,
            synced_at at time zone 'UTC' as observed_at,
            '{{ stream }}' as stream,
            {% for metric in post_metrics() %}
                {{ told.get(metric, 'cast(null as numeric)') }} as {{ metric }}{% if not loop.last %},{% endif %}
            {% endfor %}
        from {{ relation }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    select * from unioned
    where business_id is not null
)

select * from final
