{#-
    One row per record about an account and a day. `followers_stock` is the platform's own count for that day,
    `followers_seen` what a profile said on that day. A column the record does not tell is NULL.
-#}
{%- set columns = [
    'followers_stock', 'followers_seen', 'followers_gained', 'followers_lost', 'followers_net',
    'impressions', 'reach', 'likes', 'comments', 'shares', 'saves', 'clicks', 'interactions', 'accounts_engaged',
    'page_views', 'website_clicks',
] -%}
{%- set branches = [
    ('linkedin', ref('stg_linkedin__profile'), 'observed_date', {'followers_seen': 'first_degree_size'}),
    ('linkedin', ref('stg_linkedin__account_daily'), 'measured_date', {
        'followers_net': add_known(['organic_follower_gain', 'paid_follower_gain']),
        'impressions': 'impression_count',
        'reach': 'unique_impressions_count',
        'likes': 'like_count',
        'comments': 'comment_count',
        'shares': 'share_count',
        'clicks': 'click_count',
        'page_views': 'all_page_views',
    }),
    ('twitter', ref('stg_twitter__profile'), 'observed_date', {'followers_seen': 'followers_count'}),
    ('facebook', ref('stg_facebook__profile'), 'observed_date', {'followers_seen': 'followers_count'}),
    ('facebook', ref('stg_facebook__account_daily'), 'measured_date', {
        'followers_stock': "case when metric = 'page_follows' then value end",
        'followers_gained': "case when metric = 'page_daily_follows_unique' then value end",
        'followers_lost': "case when metric = 'page_daily_unfollows_unique' then value end",
        'impressions': "case when metric = 'page_media_view' then value end",
        'reach': "case when metric = 'page_total_media_view_unique' then value end",
        'interactions': "case when metric = 'page_post_engagements' then value end",
        'page_views': "case when metric = 'page_views_total' then value end",
    }),
    ('instagram', ref('stg_instagram__profile'), 'observed_date', {'followers_seen': 'followers_count'}),
    ('instagram', ref('stg_instagram__account_daily'), 'measured_date', {
        'followers_gained': "case when metric = 'follows_and_unfollows' then follows end",
        'followers_lost': "case when metric = 'follows_and_unfollows' then unfollows end",
        'impressions': "case when metric = 'views' then value end",
        'reach': "case when metric = 'reach' then value end",
        'likes': "case when metric = 'likes' then value end",
        'comments': "case when metric = 'comments' then value end",
        'shares': "case when metric = 'shares' then value end",
        'saves': "case when metric = 'saves' then value end",
        'interactions': "case when metric = 'total_interactions' then value end",
        'accounts_engaged': "case when metric = 'accounts_engaged' then value end",
        'page_views': "case when metric = 'profile_views' then value end",
        'website_clicks': "case when metric = 'website_clicks' then value end",
    }),
] %}

with unioned as (
    {% for platform, relation, day, told in branches %}
        select
            business_id,
            '{{ platform }}' as platform,
            account_id,
            {{ day }} as measured_date,
            record_key,
            run_id,
            observed_at,
            {% for column in columns %}
                {{ told.get(column, 'cast(null as numeric)') }} as {{ column }}{% if not loop.last %},{% endif %}
            {% endfor %}
        from {{ relation }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    {% if reads_fivetran() %}
        select * from {{ ref('int_fivetran__account_daily') }}
    {% else %}
        select * from unioned
        where measured_date is not null
    {% endif %}
)

select * from final
