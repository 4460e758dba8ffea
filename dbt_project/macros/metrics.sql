{# The canonical lifetime metrics of a post, in the order of every table that has them. #}
{% macro post_metrics() %}
    {{ return([
        'impressions', 'reach', 'views', 'clicks', 'likes', 'reactions', 'comments', 'shares', 'reposts', 'quotes',
        'saves', 'video_views', 'watch_time_seconds',
    ]) }}
{% endmacro %}


{# The sum of what is known; NULL only if nothing is. #}
{% macro add_known(columns) -%}
    case
        when coalesce({{ columns | join(', ') }}) is not null
            then {% for column in columns %}coalesce({{ column }}, 0){% if not loop.last %} + {% endif %}{% endfor %}

    end
{%- endmacro %}


{# 0 to 100, unrounded; NULL when the denominator is NULL or 0. #}
{% macro percentage(numerator, denominator) -%}
    trim_scale({{ numerator }} * 100 / nullif({{ denominator }}, 0))
{%- endmacro %}


{# The mean of what is known. #}
{% macro mean(column) -%}
    trim_scale(avg({{ column }}))
{%- endmacro %}


{# Totals of a set of posts and its rates: ratios of sums over the posts where both sides are known. #}
{% macro engagement_of_set(suffix='') -%}
    sum(engagement) as engagement{{ suffix }},
    sum(engagement) filter (where impressions is not null) as rated_engagement{{ suffix }},
    sum(impressions) filter (where engagement is not null) as rated_impressions{{ suffix }},
    {{ percentage(
        'sum(engagement) filter (where impressions is not null)',
        'sum(impressions) filter (where engagement is not null)',
    ) }} as engagement_rate{{ suffix }}
{%- endmacro %}


{# One text that names a row, for tools that want a single key. #}
{% macro surrogate_key(columns) -%}
    md5(concat_ws('|', {{ columns | join(', ') }}))
{%- endmacro %}


{# The id of a post's first version: what stays when it is edited. #}
{% macro first_version() -%}
    coalesce(version_ids[1], post_id)
{%- endmacro %}


{# Which version of its post a record is: 1 unless X says that the post was edited. #}
{% macro edition() -%}
    coalesce(array_position(version_ids, post_id), cardinality(version_ids), 1)
{%- endmacro %}


{# What an impression is on each platform, and under `all` what is added up: whatever shows platforms together says so. #}
{% macro impression_notes(metric_definitions) -%}
    select
        platform,
        comparability_note as note
    from {{ metric_definitions }}
    where canonical_metric = 'impressions' and {{ is_in_force() }}
    union all
    select
        'all' as platform,
        'Adds up what platforms count differently; an impression is: '
        || string_agg(platform || ': ' || counts, '; ' order by platform collate "C") as note
    from {{ metric_definitions }}
    where canonical_metric = 'impressions' and {{ is_in_force() }}
{%- endmacro %}


{# Whether a definition counts on the day of the build, or counted on that of the instant looked back to. #}
{% macro is_in_force() -%}
    {%- set today = '(select instants.known_at from ' ~ ref('as_of') ~ ' as instants)' -%}
    coalesce(valid_from <= {{ today }}, true) and coalesce(valid_to > {{ today }}, true)
{%- endmacro %}


{# Whether a platform tells this metric in the stream post_metrics; everything else comes with the posts. #}
{% macro told_apart(metric) -%}
    {%- set platforms = ['linkedin'] -%}
    {%- if metric == 'clicks' -%}
        {%- do platforms.append('twitter') -%}
    {%- elif metric == 'watch_time_seconds' -%}
        {%- do platforms.append('instagram') -%}
    {%- endif -%}
    platform in ('{{ platforms | join("', '") }}')
{%- endmacro %}
