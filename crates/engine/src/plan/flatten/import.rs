//! An imported graph in the place of a node: once, or once for each element of a list.

use std::collections::HashMap;
use std::sync::Arc;

use rondel_graph::{Graph, Node, Span};
use rondel_value::{Type, Value};

use super::values::{Wanted, folded};
use super::{Planner, Scope, folder_of};
use crate::plan::points::Axes;
use crate::plan::{Slot, mistakes};

impl Planner<'_> {
    /// Plans an imported graph under the name `name`; `element` is an input that is set already.
    pub(super) fn import(
        &mut self,
        scope: &mut Scope,
        name: &str,
        node: &Node,
        imported: &Arc<Graph>,
        element: Option<(&str, Slot, Axes)>,
    ) -> HashMap<String, (Slot, Axes)> {
        let mut inner = Scope::new(imported, format!("{}{name}.", scope.prefix));
        let base = folder_of(&scope.graph.path);
        for (input_name, input) in &imported.inputs {
            if let Some((_, slot, axes)) = element.as_ref().filter(|(name, ..)| name == input_name) {
                inner.inputs.insert(input_name.clone(), slot.clone());
                inner.input_axes.insert(input_name.clone(), *axes);
                continue;
            }
            let wanted = |span: &Span, suffix: String| Wanted {
                ty: &input.ty,
                is_file: false,
                step_name: format!("{}{name}.{input_name}", scope.prefix),
                suffix,
                span: span.clone(),
            };
            let slot = match (node.args.get(input_name), &input.default) {
                (Some(arg), _) => {
                    let axes = self.axes(scope, &arg.expr);
                    inner.input_axes.insert(input_name.clone(), axes);
                    let wanted = wanted(&arg.span, self.points.suffix(axes, self.point));
                    let slot = self.slot(scope, &arg.expr, &base, &wanted);
                    let at = format!("{name}.{input_name}");
                    let source = scope.graph.source.clone();
                    self.check(&slot, &at, input.range, input.multiple_of, &source, &arg.span);
                    slot
                }
                (None, Some(default)) => {
                    let inner_base = folder_of(&imported.path);
                    self.slot(&mut inner, default, &inner_base, &wanted(&input.span, String::new()))
                }
                (None, None) => Slot::Value(Value::None),
            };
            inner.inputs.insert(input_name.clone(), slot);
        }
        self.graph(&mut inner, &[]);
        let outputs = imported.outputs.iter().map(|(name, output)| {
            let axes = self.axes(&inner, &output.expr);
            (name.clone(), (self.output(&mut inner, name, output, axes), axes))
        });
        outputs.collect()
    }

    /// Plans an imported graph once for each element of `over`; each output is the list of those of the elements.
    pub(super) fn each(
        &mut self,
        scope: &mut Scope,
        name: &str,
        node: &Node,
        imported: &Arc<Graph>,
        element: &str,
        axes: Axes,
    ) -> HashMap<String, (Slot, Axes)> {
        let arg = &node.args["over"];
        let input = &imported.inputs[element];
        let base = folder_of(&scope.graph.path);
        let over_axes = self.axes(scope, &arg.expr);
        let wanted = Wanted {
            ty: &Type::list(input.ty.required().clone()),
            is_file: false,
            step_name: format!("{}{name}.over", scope.prefix),
            suffix: self.points.suffix(over_axes, self.point),
            span: arg.span.clone(),
        };
        let over = self.slot(scope, &arg.expr, &base, &wanted);
        let source = scope.graph.source.clone();
        self.check(&over, &format!("{name}.over"), input.range, input.multiple_of, &source, &arg.span);
        let elements = self.elements(over).unwrap_or_else(|step| {
            self.mistakes.push(mistakes::unknown_length(name, &step, &source, &arg.span));
            Vec::new()
        });
        let mut lists: HashMap<String, Vec<Slot>> =
            imported.outputs.keys().map(|output| (output.clone(), Vec::new())).collect();
        for (i, slot) in elements.into_iter().enumerate() {
            let made = self.import(scope, &format!("{name}.{i}"), node, imported, Some((element, slot, over_axes)));
            for (output, (slot, _)) in made {
                lists.entry(output).or_default().push(slot);
            }
        }
        // How many there are is the same wherever its parameters are.
        lists.into_iter().map(|(output, items)| (output, (folded(items), axes))).collect()
    }

    /// The elements of a list, or the name of the step that knows only later how many there are.
    fn elements(&self, over: Slot) -> Result<Vec<Slot>, String> {
        match over {
            Slot::List(items) => Ok(items),
            Slot::Value(Value::List(items)) => Ok(items.iter().cloned().map(Slot::Value).collect()),
            // A mistake that is noted.
            Slot::Value(Value::None) => Ok(Vec::new()),
            Slot::Step { step, port } => match self.steps[step].spec.outputs[port].ty.required() {
                Type::List(_) => Err(self.steps[step].name.to_string()),
                _ => Ok(vec![Slot::Step { step, port }]),
            },
            one => Ok(vec![one]),
        }
    }
}
