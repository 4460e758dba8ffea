{#
    What an audit of a mart reads: the rows that its publication would show. Those of parts that did not change stand in
    `publish` as they were computed; only what changed is computed for it. The candidate itself, where that is not sure.
#}
{% macro rows_to_publish(relation) -%}
    {%- set name = relation.identifier if relation.identifier is defined else none -%}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.' ~ name) if execute and name else none -%}
    {%- set kind = node.config.meta.get('part') if node else none -%}
    {%- if not kind or (relation.limit is defined and relation.limit is not none) or looks_back() or not goes_on_from_published(relation, kind) -%}
        {{ relation }}
    {%- else -%}
        {%- set key = kinds_of_parts()[kind] -%}
        {%- set columns = node.config.meta.get('part_columns', key) -%}
        (
            with parts as materialized (
                {{ posts_to_publish() if kind == 'post' else periods_to_publish() }}
            )

            select whole.*
            from publish.{{ name }} as whole
            where
                not exists (select 1 from publish.changed_{{ kind }}s as newer where {{ same_part('whole', columns, 'newer', key) }})
                and not exists (select 1 from parts where {{ same_part('whole', columns, 'parts', key) }})
            union all
            select apart.*
            from publish.{{ name }}__apart as apart
            where not exists (select 1 from parts where {{ same_part('apart', columns, 'parts', key) }})
            union all
            select changed.*
            from parts
            cross join lateral (
                select each.* from {{ relation }} as each where {{ same_part('each', columns, 'parts', key) }} offset 0
            ) as changed
        )
    {%- endif -%}
{%- endmacro %}


{% macro same_part(rows, columns, parts, key) -%}
    {%- for column in columns -%}
        {{ rows }}.{{ column }} = {{ parts }}.{{ key[loop.index0] }}{% if not loop.last %} and {% endif %}
    {%- endfor -%}
{%- endmacro %}


{# Whether the mart stands as the same candidate was published, and nothing but parts can have changed since. #}
{% macro goes_on_from_published(relation, kind) %}
    {%- set mart = 'publish.' ~ relation.identifier -%}
    {%- set is_there -%}
        select to_regclass('{{ mart }}__apart') is not null and to_regclass('publish.changed_{{ kind }}s') is not null
    {%- endset -%}
    {%- if not run_query(is_there).rows[0][0] -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set stands -%}
        select
            pg_get_viewdef('{{ relation }}'::regclass) = pg_get_viewdef('{{ mart }}'::regclass)
            and not exists (select 1 from publish.apart)
            and not exists (select 1 from {{ source_of('changed_parts') }} where kind = '{{ kind }}' and part is null)
    {%- endset -%}
    {{ return(run_query(stands).rows[0][0]) }}
{% endmacro %}
