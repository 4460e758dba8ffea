{# These columns name a row: none is NULL and no combination comes twice. #}
{% test is_key(model, columns) %}
    select
        {{ columns | join(', ') }},
        count(*) as number_of_rows
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1 or {% for column in columns %}{{ column }} is null{% if not loop.last %} or {% endif %}{% endfor %}
{% endtest %}
