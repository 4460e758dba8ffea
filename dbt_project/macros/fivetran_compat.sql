{#
    The two readings of the posts that fivetran_compat shows and compares, in one shape: business_id, post_key and the
    columns of Fivetran's rollup report. Both rest on core alone.
#}
{% macro shows_fivetran_compat() %}
    {%- if var('fivetran_compat') not in ('strict', 'corrected', 'off', false) and exceptions is defined -%}
        {{ exceptions.raise_compiler_error("the variable fivetran_compat is strict, corrected or 'off'") }}
    {%- endif -%}
    {{ return(var('fivetran_compat') in ('strict', 'corrected')) }}
{% endmacro %}


{# The columns of the report beside the first, which names Fivetran's own relation, in its order. #}
{% macro rollup_columns() %}
    {{ return([
        'created_timestamp', 'post_id', 'post_message', 'page_id', 'page_name', 'post_url', 'source_relation', 'platform',
        'clicks', 'impressions', 'likes', 'shares', 'comments',
    ]) }}
{% endmacro %}


{# As Fivetran's models would show the posts: unknown is 0, whatever was listed is a post. #}
{% macro rollup_as_fivetran() -%}
    {%- if reads_fivetran() -%}
        select
            loaded.business_id,
            loaded.post_key,
            loaded.row_key,
            {%- for column in rollup_columns() %}
            {{ rollup_value('loaded.' ~ column, column) }} as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ ref('fct_fivetran_rollup') }} as loaded
    {%- else -%}
        select
            posts.business_id,
            posts.post_key,
            posts.post_key as row_key,
            posts.published_at at time zone 'UTC' as created_timestamp,
            {{ rollup_post_id('posts') }} as post_id,
            posts.text as post_message,
            posts.account_id as page_id,
            accounts.account_name as page_name,
            {{ rollup_post_url('posts') }} as post_url,
            '' as source_relation,
            posts.platform,
            case when posts.platform <> 'instagram' then {{ rollup_value('coalesce(newest.clicks, 0)', 'clicks') }} end as clicks,
            {{ rollup_value('coalesce(newest.impressions, 0)', 'impressions') }} as impressions,
            {{ rollup_value(
                "coalesce(case when posts.platform = 'facebook' then facebook.like_reactions else newest.likes end, 0)",
                'likes',
            ) }} as likes,
            case
                when posts.platform = 'twitter' then {{ rollup_value('coalesce(newest.reposts, 0)', 'shares') }}
                when posts.platform = 'linkedin' then {{ rollup_value('coalesce(newest.shares, 0)', 'shares') }}
            end as shares,
            case when posts.platform <> 'facebook' then {{ rollup_value('coalesce(newest.comments, 0)', 'comments') }} end
                as comments
        from {{ ref('dim_posts') }} as posts
        left join {{ ref('dim_accounts') }} as accounts
            on
                posts.business_id = accounts.business_id
                and posts.platform = accounts.platform
                and posts.account_id = accounts.account_id
        left join {{ ref('fct_facebook_likes') }} as facebook on posts.post_key = facebook.post_key
        left join lateral (
            select *
            from {{ ref('fct_post_snapshots') }} as snapshots
            where snapshots.post_key = posts.post_key
            order by snapshots.observed_at desc
            limit 1
        ) as newest on true
        -- The metrics lead: a post without any is left out.
        where
            posts.platform <> 'facebook'
            or coalesce(
                newest.impressions, newest.reach, newest.clicks, newest.video_views, newest.watch_time_seconds,
                facebook.like_reactions
            ) is not null
    {%- endif -%}
{%- endmacro %}


{# The posts of the marts under Fivetran's names: NULL is unknown. What only Fivetran reads (YouTube) is set right. #}
{% macro rollup_corrected() -%}
    select
        posts.business_id,
        posts.post_key,
        posts.post_key as row_key,
        posts.published_at at time zone 'UTC' as created_timestamp,
        {{ rollup_post_id('posts') }} as post_id,
        texts.text as post_message,
        {{ 'coalesce(loaded.page_id, posts.account_id)' if reads_fivetran() else 'posts.account_id' }} as page_id,
        {{ 'coalesce(loaded.page_name, accounts.account_name)' if reads_fivetran() else 'accounts.account_name' }} as page_name,
        {{ rollup_post_url('texts') }} as post_url,
        {{ "coalesce(loaded.source_relation, '')" if reads_fivetran() else "''" }} as source_relation,
        posts.platform,
        {%- for metric in ['clicks', 'impressions', 'likes', 'shares', 'comments'] %}
        {{ rollup_value('posts.' ~ metric, metric) }} as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('fct_posts') }} as posts
    inner join {{ ref('dim_posts') }} as texts on posts.post_key = texts.post_key
    left join {{ ref('dim_accounts') }} as accounts
        on
            posts.business_id = accounts.business_id
            and posts.platform = accounts.platform
            and posts.account_id = accounts.account_id
    {%- if reads_fivetran() %}
    left join lateral (
        select *
        from {{ ref('fct_fivetran_rollup') }} as candidates
        where candidates.post_key = posts.post_key
        order by candidates.row_key
        limit 1
    ) as loaded on true

    union all

    select
        loaded.business_id,
        loaded.post_key,
        loaded.row_key,
        loaded.created_timestamp,
        loaded.post_id,
        loaded.post_message,
        loaded.page_id,
        loaded.page_name,
        'https://www.youtube.com/watch?v=' || loaded.post_id as post_url,
        loaded.source_relation,
        loaded.platform,
        cast(null as bigint) as clicks,
        {{ rollup_value('loaded.clicks', 'impressions') }} as impressions,
        {{ rollup_value('loaded.likes', 'likes') }} as likes,
        {{ rollup_value('loaded.shares', 'shares') }} as shares,
        {{ rollup_value('loaded.comments', 'comments') }} as comments
    from {{ ref('fct_fivetran_rollup') }} as loaded
    where loaded.platform = 'youtube' and loaded.post_id <> ''
    {%- endif %}
{%- endmacro %}


{# Fivetran's id of a post: LinkedIn's without its kind. #}
{% macro rollup_post_id(posts) -%}
    case {{ posts }}.platform
        when 'linkedin' then {{ linkedin_number(posts ~ '.post_id') }} else {{ posts }}.post_id
    end
{%- endmacro %}


{# The address Fivetran's models make of an id. #}
{% macro rollup_post_url(posts) -%}
    case {{ posts }}.platform
        when 'linkedin' then 'https://www.linkedin.com/embed/feed/update/' || {{ posts }}.post_id
        when 'twitter' then 'https://twitter.com/p/status/' || {{ posts }}.post_id
        when 'facebook' then {{ facebook_post_url(posts ~ '.post_id') }}
        else {{ posts }}.permalink
    end
{%- endmacro %}


{# Facebook's, whose id is that of the page and that of the post. #}
{% macro facebook_post_url(post_id) -%}
    concat_ws('/', 'https://facebook.com', split_part({{ post_id }}, '_', 1), 'posts', split_part({{ post_id }}, '_', 2))
{%- endmacro %}


{# Fivetran's metrics are bigint; what does not fit one is NULL rather than the end of the publication. #}
{% macro rollup_value(value, column) -%}
    {%- if column in ('clicks', 'impressions', 'likes', 'shares', 'comments') -%}
        case when {{ value }} between -9223372036854775808 and 9223372036854775807 then cast({{ value }} as bigint) end
    {%- else -%}
        {{ value }}
    {%- endif -%}
{%- endmacro %}


{# One row per column of the report, and one for the row itself: its name and what two relations say, as texts. #}
{% macro both_texts(one, other) -%}
    unnest(
        array['row', '{{ rollup_columns() | join("', '") }}'],
        {%- for relation in [one, other] %}
        array[
            {{ relation }}.shown,
            {%- for column in rollup_columns() %}
            cast({{ relation }}.{{ column }} as text){{ ',' if not loop.last }}
            {%- endfor %}
        ]{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
