{#
    dbt-postgres reads column types from information_schema, which says only ARRAY of an array; the fixtures of unit tests
    and added columns are cast to what is said here.
#}
{% macro postgres__get_columns_in_relation(relation) -%}
    {% call statement('get_columns_in_relation', fetch_result=True) %}
        select
            attribute.attname as column_name,
            format_type(attribute.atttypid, null) as data_type,
            null::integer as character_maximum_length,
            null::integer as numeric_precision,
            null::integer as numeric_scale
        from pg_catalog.pg_attribute as attribute
        inner join pg_catalog.pg_class as relation on attribute.attrelid = relation.oid
        inner join pg_catalog.pg_namespace as namespace on relation.relnamespace = namespace.oid
        where
            relation.relname = '{{ relation.identifier }}'
            {% if relation.schema %}
                and namespace.nspname = '{{ relation.schema }}'
            {% else %}
                and namespace.oid = pg_my_temp_schema()
            {% endif %}
            and attribute.attnum > 0
            and not attribute.attisdropped
        order by attribute.attnum
    {% endcall %}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}


{# What a contract is compared with. Without dbt's warning: PostgreSQL's plain numeric rounds nothing. #}
{% macro postgres__get_empty_schema_sql(columns) -%}
    select
        {% for column in columns.values() %}
            cast(null as {{ column['data_type'] }}) as {{ column['name'] }}{% if not loop.last %},{% endif %}
        {% endfor %}
{%- endmacro %}
