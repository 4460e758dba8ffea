{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'post_id'],
    'part': 'post',
    'unread': ['post_key'],
    'indexes': [['business_id', 'published_at'], ['business_id', 'published_at_local']],
}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

texts as (
    select * from {{ ref('dim_posts') }}
),

final as (
    select
        posts.business_id,
        posts.account_id,
        posts.platform,
        posts.post_id,
        posts.published_at,
        posts.published_at_local,
        posts.content_type,
        texts.text,
        texts.permalink,
        posts.hashtags,
        {% for metric in post_metrics() %}
            posts.{{ metric }},
        {% endfor %}
        posts.engagement,
        posts.engagement_rate,
        posts.engagement_rate_by_reach,
        posts.engagement_rate_by_followers,
        posts.click_through_rate,
        posts.virality_rate,
        posts.followers_at_publish,
        posts.metrics_observed_at,
        posts.is_deleted,
        posts.post_key
    from posts
    inner join texts on posts.post_key = texts.post_key
)

select * from final
