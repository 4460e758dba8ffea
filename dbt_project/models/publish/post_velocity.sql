{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'post_id', 'metric'],
    'part': 'post',
    'unread': ['post_key'],
    'indexes': [['business_id', 'platform', 'metric']],
}) }}

with curves as (
    select * from {{ ref('fct_post_velocity') }}
),

posts as (
    select * from {{ ref('fct_posts') }}
),

judged as (
    select
        curves.*,
        posts.post_id,
        posts.content_type,
        posts.published_at,
        case
            when posts.published_at > as_of.as_of - {{ maturity() }} then 'younger than 7 days'
            when not curves.is_settled then 'not settled'
        end as censored_because
    from curves
    inner join posts on curves.post_key = posts.post_key
    cross join {{ ref('as_of') }} as as_of
),

final as (
    select
        business_id,
        platform,
        account_id,
        post_id,
        metric,
        content_type,
        published_at,
        {% for age, hours in compared_ages() %}
            value_{{ age }},
            is_interpolated_{{ age }},
        {% endfor %}
        final_value,
        first_seen_hours,
        case when censored_because is null then hours_to_half end as hours_to_half,
        case when censored_because is null then hours_to_90 end as hours_to_90,
        censored_because is not null as is_censored,
        censored_because,
        post_key
    from judged
)

select * from final
