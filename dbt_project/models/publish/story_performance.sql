{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'post_id'],
    'indexes': [['business_id', 'published_at']],
}) }}

with stories as (
    select * from {{ ref('fct_stories') }}
),

businesses as (
    select * from {{ ref('dim_businesses') }}
),

final as (
    select
        stories.business_id,
        stories.platform,
        stories.account_id,
        stories.post_id,
        stories.published_at,
        stories.published_at at time zone businesses.timezone as published_at_local,
        stories.expires_at,
        stories.media_type,
        stories.permalink,
        stories.views,
        stories.reach,
        stories.replies,
        stories.navigation,
        stories.taps_forward,
        stories.taps_back,
        stories.exits,
        stories.swipes_forward,
        stories.shares,
        stories.total_interactions,
        stories.follows,
        stories.profile_visits,
        stories.link_clicks,
        stories.suppressed_because,
        stories.metrics_observed_at
    from stories
    inner join businesses on stories.business_id = businesses.business_id
)

select * from final
