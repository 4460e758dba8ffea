{#- Days of accounts, as in int_account_daily_unioned. Fivetran keeps no history of LinkedIn's followers. -#}
{{ config(enabled=reads_fivetran()) }}
{%- set columns = [
    'followers_stock', 'followers_seen', 'followers_gained', 'followers_lost', 'followers_net',
    'impressions', 'reach', 'likes', 'comments', 'shares', 'saves', 'clicks', 'interactions', 'accounts_engaged',
    'page_views', 'website_clicks',
] -%}
{%- set branches = [
    ('facebook', 'facebook', 'page_id', {
        'followers_stock': 'fans',
        'followers_gained': 'fan_adds',
        'followers_lost': 'fan_removes',
        'impressions': 'coalesce(media_views, impressions)',
        'interactions': 'post_engagements',
        'page_views': 'page_views',
    }),
    ('instagram', 'instagram', 'user_id', {'followers_seen': 'followers_count'}),
    ('twitter', 'twitter', 'user_id', {'followers_seen': 'followers_count'}),
] %}

with facebook as (
    select
        *,
        -- Meta's day ends at midnight in California; an instant before that lies inside it.
        cast((ended_at - interval '1 second') at time zone 'UTC' at time zone 'America/Los_Angeles' as date)
            as measured_date
    from {{ ref('stg_fivetran__facebook_pages__daily_page_metrics_total') }}
),

instagram as (
    select
        *,
        cast(synced_at as date) as measured_date
    from {{ ref('stg_fivetran__instagram_business__user_history') }}
),

twitter as (
    select
        *,
        cast(synced_at as date) as measured_date
    from {{ ref('stg_fivetran__twitter_organic__twitter_user_history') }}
),

unioned as (
    {% for platform, relation, account_id, told in branches %}
        select
            {{ fivetran_business(platform, [account_id]) }} as business_id,
            '{{ platform }}' as platform,
            {{ account_id }} as account_id,
            measured_date,
            concat_ws(':', {{ account_id }}, 'fivetran', measured_date) as record_key,
            cast(null as uuid) as run_id,
            synced_at at time zone 'UTC' as observed_at,
            {% for column in columns %}
                {{ told.get(column, 'cast(null as numeric)') }} as {{ column }}{% if not loop.last %},{% endif %}
            {% endfor %}
        from {{ relation }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    select * from unioned
    where business_id is not null and measured_date is not null
)

select * from final
