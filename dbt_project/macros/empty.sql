{#
    `dbt build --empty` tries all SQL out without rows: dbt then puts a subquery in the place of each ref() and source(),
    and gives it an alias of its own, so that `ref('x') as x` would have two. PostgreSQL needs none since version 16.
    https://github.com/dbt-labs/dbt-adapters/issues/199
#}
{% macro ref() %}
    {{ return(builtins.ref(*varargs, **kwargs).replace(require_alias=false)) }}
{% endmacro %}


{% macro source() %}
    {{ return(builtins.source(*varargs, **kwargs).replace(require_alias=false)) }}
{% endmacro %}
