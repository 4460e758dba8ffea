{{ config(meta={
    'key': ['restatement_id'],
    'indexes': [['business_id', 'observed_at'], ['business_id', 'platform', 'post_id']],
}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

businesses as (
    select * from {{ ref('dim_businesses') }}
),

of_posts as (
    select * from {{ ref('fct_post_restatements') }}
),

of_accounts as (
    select * from {{ ref('fct_account_restatements') }}
),

listed as (
    select
        {{ surrogate_key(['of_posts.post_key', 'of_posts.metric', 'extract(epoch from of_posts.observed_at)']) }}
            as restatement_id,
        of_posts.business_id,
        of_posts.platform,
        of_posts.account_id,
        posts.post_id,
        of_posts.metric,
        'lifetime' as period,
        cast(of_posts.observed_at at time zone businesses.timezone as date) as day,
        of_posts.observed_at,
        of_posts.old_observed_at,
        of_posts.old_value,
        of_posts.new_value,
        of_posts.cause,
        posts.published_at as counted_from
    from of_posts
    inner join posts on of_posts.post_key = posts.post_key
    inner join businesses on of_posts.business_id = businesses.business_id
    union all
    select
        {{ surrogate_key([
            'business_id', 'platform', 'account_id', 'record_key', 'metric', 'extract(epoch from observed_at)',
        ]) }} as restatement_id,
        business_id,
        platform,
        account_id,
        cast(null as text) as post_id,
        metric,
        'day' as period,
        measured_date as day,
        observed_at,
        old_observed_at,
        old_value,
        new_value,
        'restated' as cause,
        day_ended_at as counted_from
    from of_accounts
),

final as (
    select
        restatement_id,
        business_id,
        platform,
        account_id,
        post_id,
        metric,
        period,
        day,
        observed_at,
        old_observed_at,
        old_value,
        new_value,
        new_value - old_value as difference,
        cause,
        trim_scale(cast(extract(epoch from observed_at - counted_from) / 3600 as numeric)) as delay_hours
    from listed
)

select * from final
