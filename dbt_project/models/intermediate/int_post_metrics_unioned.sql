{#-
    One row per reading of a post in one stream, in canonical words: which column of staging feeds which metric.
    A metric that the stream does not tell is NULL. The seed metric_definitions says the same for people.
-#}
{%- set branches = [
    ('linkedin', 'post_metrics', ref('stg_linkedin__post_metrics'), {
        'impressions': 'impression_count',
        'reach': 'unique_impressions_count',
        'clicks': 'click_count',
        'likes': 'like_count',
        'reactions': 'like_count',
        'comments': 'comment_count',
        'shares': 'share_count',
    }),
    ('twitter', 'posts', 'twitter_counted', {
        'impressions': 'impression_count',
        'likes': 'like_count',
        'reactions': 'like_count',
        'comments': 'reply_count',
        'shares': add_known(['repost_count', 'quote_count']),
        'reposts': 'repost_count',
        'quotes': 'quote_count',
        'saves': 'bookmark_count',
        'video_views': 'view_count',
    }),
    ('twitter', 'post_metrics', 'twitter_clicked', {'clicks': 'url_link_clicks'}),
    ('facebook', 'posts', 'facebook_counted', {
        'impressions': 'media_view',
        'reach': 'total_media_view_unique',
        'views': 'media_view',
        'clicks': 'clicks',
        'likes': 'reactions',
        'reactions': 'reactions',
        'comments': 'comments_total_count',
        'shares': 'shares',
        'video_views': 'video_views',
        'watch_time_seconds': 'trim_scale(video_view_time_ms / 1000)',
    }),
    ('instagram', 'posts', ref('stg_instagram__posts'), {
        'impressions': 'views',
        'reach': 'reach',
        'views': 'views',
        'likes': 'coalesce(likes, like_count)',
        'reactions': 'coalesce(likes, like_count)',
        'comments': 'coalesce(comments, comments_count)',
        'shares': 'shares',
        'saves': 'saved',
        'video_views': "case when media_product_type = 'REELS' or media_type = 'VIDEO' then views end",
    }),
    ('instagram', 'post_metrics', ref('stg_instagram__post_metrics'), {
        'watch_time_seconds': 'trim_scale(video_view_total_time_ms / 1000)',
    }),
] %}

with twitter_counted as (
    select
        business_id,
        account_id,
        post_id,
        version_ids,
        run_id,
        observed_at,
        -- X did not count before: a 0 of that time means that nobody knows.
        case
            when impression_count = 0 and created_at < timestamptz '2022-12-15 00:00:00+00' then null
            else impression_count
        end as impression_count,
        like_count,
        reply_count,
        repost_count,
        quote_count,
        bookmark_count,
        view_count
    from {{ ref('stg_twitter__posts') }}
),

twitter_clicked as (
    select * from {{ ref('stg_twitter__post_metrics') }}
    -- X stops telling after 30 days; the last observed value stays.
    where url_link_clicks is not null
),

facebook_reacted as (
    select
        *,
        coalesce(
            reactions_total_count,
            case
                when jsonb_typeof(reactions_by_type) = 'object' then (
                    select coalesce(sum(cast(counts.value as numeric)), 0)
                    from jsonb_each(reactions_by_type) as counts
                    where jsonb_typeof(counts.value) = 'number'
                )
            end
        ) as reactions
    from {{ ref('stg_facebook__posts') }}
),

facebook_counted as (
    select
        *,
        -- Facebook leaves `shares` out when there are none, and other counters only when they are not allowed.
        coalesce(
            shares_count,
            case when coalesce(reactions, comments_total_count) is not null then 0 end
        ) as shares
    from facebook_reacted
),

unioned as (
    {% for platform, stream, relation, told in branches %}
        select
            business_id,
            '{{ platform }}' as platform,
            account_id,
            post_id,
            {{ 'version_ids' if platform == 'twitter' else 'cast(null as text[])' }} as version_ids,
            run_id,
            observed_at,
            '{{ stream }}' as stream,
            {% for metric in post_metrics() %}
                {{ told.get(metric, 'cast(null as numeric)') }} as {{ metric }}{% if not loop.last %},{% endif %}
            {% endfor %}
        from {{ relation }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    {% if reads_fivetran() %}
        select * from {{ ref('int_fivetran__post_metrics') }}
    {% else %}
        select * from unioned
    {% endif %}
)

select * from final
