{{ config(
    unique_key='post_key',
    incremental_strategy='delete+insert',
    pre_hook="{{ claim_runs(['posts']) }}",
    indexes=[{'columns': ['business_id', 'platform', 'account_id', 'post_id']}],
    post_hook=[
        "{{ ensure_index(['changed_at']) }}",
        "{{ ensure_index(['deleted_at'], where='deleted_at is not null') }}",
        "{{ note_changes({'post': 'post_key'}) }}",
    ],
) }}
-- depends_on: {{ ref('loaded_runs') }}
{%- set columns = [
    'post_id', 'published_at', 'content_type', 'text', 'permalink', 'hashtags', 'hashtags_display', 'excluded_because',
    'edition', 'observed_at',
] %}

with deletions as (
    select * from {{ ref('int_post_deletions') }}
),

-- The versions of an edited post are one post, named by its first version; the newest version counts.
arrived as (
    select
        *,
        {{ first_version() }} as first_post_id,
        {{ edition() }} as edition,
        min(observed_at) over (
            partition by business_id, platform, account_id, {{ first_version() }}
        ) as first_observed_at,
        row_number() over (
            partition by business_id, platform, account_id, {{ first_version() }}
            order by {{ edition() }} desc, observed_at desc, post_id desc
        ) as version_back
    from {{ ref('int_posts_unioned') }}
    {% if continues() %}
        where run_id = any({{ claimed_runs() }})
    {% endif %}
),

tagged as (
    select
        {{ surrogate_key(['business_id', 'platform', 'account_id', 'first_post_id']) }} as post_key,
        business_id,
        platform,
        account_id,
        post_id,
        published_at,
        content_type,
        text,
        permalink,
        excluded_because,
        edition,
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
        edition,
        first_observed_at,
        observed_at
    from tagged
),

newest as (
    {% if continues() %}
        -- Runs may arrive in any order: the newest version stays, and so does the first sight of the post.
        select
            described.post_key,
            described.business_id,
            described.platform,
            described.account_id,
            {% for column in columns %}
                case
                    when
                        (present.edition, present.observed_at, present.post_id)
                        > (described.edition, described.observed_at, described.post_id)
                        then present.{{ column }}
                    else described.{{ column }}
                end as {{ column }},
            {% endfor %}
            least(present.first_observed_at, described.first_observed_at) as first_observed_at
        from described
        left join {{ this }} as present using (post_key)
        union all
        -- Nothing of these arrived, but they are gone or back since the last build.
        select
            present.post_key,
            present.business_id,
            present.platform,
            present.account_id,
            {% for column in columns %}
                present.{{ column }},
            {% endfor %}
            present.first_observed_at
        from {{ this }} as present
        where
            present.post_key not in (select described.post_key from described)
            and present.post_key in (
                select gone.post_key
                from {{ this }} as gone
                left join deletions using (business_id, platform, account_id, post_id)
                where gone.deleted_at is not null and gone.deleted_at is distinct from deletions.deleted_at
                union
                select kept.post_key
                from {{ this }} as kept
                inner join deletions using (business_id, platform, account_id, post_id)
                where kept.deleted_at is distinct from deletions.deleted_at
            )
    {% else %}
        select
            post_key,
            business_id,
            platform,
            account_id,
            {{ columns | join(', ') }},
            first_observed_at
        from described
    {% endif %}
),

final as (
    select
        newest.post_key,
        newest.business_id,
        newest.platform,
        newest.account_id,
        newest.post_id,
        newest.published_at,
        newest.content_type,
        newest.text,
        newest.permalink,
        newest.hashtags,
        newest.hashtags_display,
        newest.excluded_because,
        newest.edition,
        deletions.deleted_at,
        newest.first_observed_at,
        newest.observed_at,
        now() as changed_at
    from newest
    left join deletions using (business_id, platform, account_id, post_id)
)

select * from final
