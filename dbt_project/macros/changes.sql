{#
    Incremental by change: a table whose rows carry `changed_at`, the start of the transaction that wrote them, tells those
    built on it what to look at again. It belongs to the build and not to the data.
#}

{# Until when the changes of other tables are in this one: the instant of its own last change. NULL before any. #}
{% macro changed_until() %}
    {%- if not execute or model.resource_type != 'model' or not is_incremental() -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set newest = run_query('select cast(max(changed_at) as text) from ' ~ this).rows[0][0] -%}
    {{ return(newest) }}
{% endmacro %}


{# True when this table can go on from the changes of another: not when that one was written anew as a whole. #}
{% macro follows(relation) %}
    {%- set until = changed_until() -%}
    {%- if until is none or flags.FULL_REFRESH or looks_back() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set older = run_query("select 1 from " ~ relation ~ " where changed_at <= '" ~ until ~ "' limit 1") -%}
    {{ return(older.rows | length > 0) }}
{% endmacro %}


{# Post-hook: an index that tables made before it get as well. #}
{% macro ensure_index(columns, where=none) -%}
    create index if not exists {{ this.identifier }}_{{ columns | join('_') }}
    on {{ this }} ({{ columns | join(', ') }}){% if where %} where {{ where }}{% endif %}
{%- endmacro %}


{# Pre-hook of fct_posts: posts that are none of the marts any more go, and all when the table is rebuilt. #}
{% macro forget_excluded_posts() %}
    {%- if is_incremental() and not flags.EMPTY and not follows(ref('dim_posts')) -%}
        delete from {{ this }}
    {%- elif is_incremental() and not flags.EMPTY -%}
        delete from {{ this }} as present
        using {{ ref('dim_posts') }} as posts
        where
            present.post_key = posts.post_key
            and posts.excluded_because is not null
            and posts.changed_at > '{{ changed_until() }}'
    {%- endif -%}
{% endmacro %}
