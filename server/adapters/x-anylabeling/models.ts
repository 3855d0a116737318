/** The two models that X-AnyLabeling offers, and the buttons that its window shows for each. */

const widgets = (entries: Record<string, unknown>) =>
  Object.entries(entries).map(([name, value]) => ({ name, value }));

export const MODELS = {
  masklet_video: {
    display_name: "masklet (video)",
    batch_processing_mode: "video",
    widgets: widgets({
      button_add_point: null,
      button_remove_point: null,
      button_clear: null,
      button_finish_object: null,
      edit_text: null,
      button_send: null,
      input_conf: null,
      edit_conf: 0.25,
      mask_fineness_slider: 10,
      mask_fineness_value_label: null,
      toggle_preserve_existing_annotations: false,
    }),
    params: {},
  },
  masklet_image: {
    display_name: "masklet (picture)",
    batch_processing_mode: "text_prompt",
    widgets: widgets({
      edit_text: null,
      button_send: null,
      button_add_point: null,
      button_remove_point: null,
      button_add_rect: null,
      button_run: null,
      button_clear: null,
      button_finish_object: null,
      input_conf: null,
      edit_conf: 0.25,
      mask_fineness_slider: 10,
      mask_fineness_value_label: null,
      toggle_preserve_existing_annotations: false,
    }),
    params: {},
  },
} as const;
