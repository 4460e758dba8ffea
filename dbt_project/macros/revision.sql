{# The newest revision in migrations/: what this project reads of `ops` is of that one. #}
{% macro needed_revision() %}
    {{ return('0018') }}
{% endmacro %}


{# On-run-start, before anything is built: a warehouse of an older version is refused by name. A newer one is not, since
   migrations only add. #}
{% macro refuse_older_warehouse() %}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set is_migrated = run_query("select to_regclass('ops.alembic_version') is not null").rows[0][0] -%}
        {%- set revision = run_query('select max(version_num) from ops.alembic_version').rows[0][0] if is_migrated -%}
        {%- if not revision or revision < needed_revision() -%}
            {%- do exceptions.raise_compiler_error(
                'the warehouse is of revision ' ~ (revision or 'none') ~ ' and this project needs ' ~ needed_revision()
                ~ ': run `python -m extractors migrate`; nothing was built'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
