{# These columns name a row: none is NULL and no combination comes twice. Where a unique index over columns that are never
   NULL sees to that at every write, the table is not read: a check of all history would cost more than a day's news. #}
{% test is_key(model, columns) %}
    select
        {{ columns | join(', ') }},
        count(*) as number_of_rows
    from {{ model }}
    {% if model.identifier is defined and model.limit is not defined or model.limit is none %}
        where not exists (
            select 1
            from pg_catalog.pg_index as keys
            where
                keys.indrelid = to_regclass('{{ model.schema }}.{{ model.identifier }}')
                and keys.indisunique
                and keys.indisvalid
                and keys.indpred is null
                and keys.indexprs is null
                and (
                    select array_agg(attribute.attname::text order by attribute.attname) filter (where attribute.attnotnull)
                    from pg_catalog.pg_attribute as attribute
                    where attribute.attrelid = keys.indrelid and attribute.attnum = any(keys.indkey)
                ) = array['{{ columns | sort | join("', '") }}']
                and keys.indnkeyatts = {{ columns | length }}
        )
    {% endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1 or {% for column in columns %}{{ column }} is null{% if not loop.last %} or {% endif %}{% endfor %}
{% endtest %}
