{{ config(
    unique_key='post_key',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['posts']) }}",
    indexes=[{'columns': ['business_id', 'platform', 'account_id', 'post_id']}],
) }}
-- depends_on: {{ ref('loaded_runs') }}

with arrived as (
    select
        *,
        min(observed_at) over (partition by business_id, platform, account_id, post_id) as first_observed_at,
        row_number() over (
            partition by business_id, platform, account_id, post_id
            order by observed_at desc
        ) as version_back
    from {{ ref('int_posts_unioned') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

tagged as (
    select
        {{ surrogate_key(['business_id', 'platform', 'account_id', 'post_id']) }} as post_key,
        business_id,
        platform,
        account_id,
        post_id,
        published_at,
        content_type,
        text,
        permalink,
        excluded_because,
        first_observed_at,
        observed_at,
        (
            select jsonb_agg(jsonb_build_array(tags.hashtag, tags.display) order by tags.place)
            from (
                select distinct on (hashtag)
                    ops.fold_hashtag(written.tag) as hashtag,
                    written.tag as display,
                    written.place
                from unnest(hashtags_written) with ordinality as written (tag, place)
                order by hashtag, written.place
            ) as tags
        ) as tags
    from arrived
    where version_back = 1
),

described as (
    select
        post_key,
        business_id,
        platform,
        account_id,
        post_id,
        published_at,
        content_type,
        text,
        permalink,
        array(select pairs.tag ->> 0 from jsonb_array_elements(tags) as pairs (tag)) as hashtags,
        array(select pairs.tag ->> 1 from jsonb_array_elements(tags) as pairs (tag)) as hashtags_display,
        excluded_because,
        first_observed_at,
        observed_at
    from tagged
),

final as (
    {% if continues() %}
        -- Runs may arrive in any order: the newest version stays, and so does the first sight of the post.
        select
            described.post_key,
            described.business_id,
            described.platform,
            described.account_id,
            described.post_id,
            {% for column in [
                'published_at', 'content_type', 'text', 'permalink', 'hashtags', 'hashtags_display', 'excluded_because',
            ] %}
                case
                    when present.observed_at > described.observed_at then present.{{ column }}
                    else described.{{ column }}
                end as {{ column }},
            {% endfor %}
            cast(null as timestamptz) as deleted_at,
            least(present.first_observed_at, described.first_observed_at) as first_observed_at,
            greatest(present.observed_at, described.observed_at) as observed_at
        from described
        left join {{ this }} as present using (post_key)
    {% else %}
        select
            post_key,
            business_id,
            platform,
            account_id,
            post_id,
            published_at,
            content_type,
            text,
            permalink,
            hashtags,
            hashtags_display,
            excluded_because,
            cast(null as timestamptz) as deleted_at,
            first_observed_at,
            observed_at
        from described
    {% endif %}
)

select * from final
